/** Waits for the user or the system to end the program. @returns the exit code: 130 interrupted, 0 asked to end */
export function interrupted(): Promise<number> {
  return onSignal().promise;
}

/** As interrupted(), for a program that may also end by itself: `forget` takes the handlers back. */
export function onSignal(): { readonly promise: Promise<number>; readonly forget: () => void } {
  let forget: () => void = () => {};
  const promise = new Promise<number>((resolve) => {
    const interrupt = (): void => end(130);
    const terminate = (): void => end(0);
    const end = (code: number): void => {
      forget();
      resolve(code);
    };
    forget = () => {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', terminate);
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', terminate);
  });
  return { promise, forget: () => forget() };
}

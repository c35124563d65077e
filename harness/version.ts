import pkg from '../package.json' with { type: 'json' };

/** The version of the package: part of a run's identity. */
export const VERSION: string = pkg.version;

/** Bad inputs that another test throws, and those that cannot be thrown at this service. */
export interface Elsewhere {
  readonly numbers: readonly [from: number, to: number];
  readonly file: string;
  /** Words of the test's name. */
  readonly test: string;
}

export const ELSEWHERE: readonly Elsewhere[] = [
  { numbers: [54, 54], file: 'test/unit/api/stream.test.ts', test: 'a client that never reads is cut' },
  { numbers: [57, 57], file: 'test/live/webhooksGuard.test.ts', test: 'a name which changes its mind wins nothing' },
  { numbers: [60, 60], file: 'test/live/webhooksPost.test.ts', test: 'never answers, or drips its head, is left' },
  { numbers: [66, 83], file: 'test/unit/scenarios/read.test.ts', test: 'in at least ninety ways' },
  { numbers: [75, 78], file: 'test/unit/scenarios/read.test.ts', test: 'a hostile file ends with a message' },
  { numbers: [76, 76], file: 'test/unit/scenarios/wrong.yaml', test: 'an absolute path' },
  { numbers: [84, 85], file: 'test/unit/feeds/csv.test.ts', test: 'refuses semicolons, a doubled column' },
  {
    numbers: [86, 86],
    file: 'test/unit/feeds/prices.test.ts',
    test: 'refuses a date that does not exist, time going back',
  },
  { numbers: [87, 87], file: 'test/unit/feeds/weather.test.ts', test: 'a file with 29 February keeps it' },
  { numbers: [88, 88], file: 'test/unit/feeds/weather.test.ts', test: 'irradiance of −5 is raised, −5.1 refused' },
  { numbers: [89, 89], file: 'test/unit/feeds/csv.test.ts', test: 'takes an empty cell and NA as missing, never as 0' },
  { numbers: [90, 90], file: 'test/unit/cli/wrongInputs.test.ts', test: 'a price file whose last line is cut off' },
  { numbers: [91, 91], file: 'test/unit/reports/outputs.test.ts', test: '=HYPERLINK' },
  { numbers: [92, 92], file: 'test/unit/feeds/alerts.test.ts', test: 'refuses a DTD, an entity, broken XML' },
  { numbers: [93, 93], file: 'test/unit/feeds/alerts.test.ts', test: 'a cancellation without <info> still ends' },
  { numbers: [94, 94], file: 'test/unit/feeds/alerts.test.ts', test: 'it expires before it takes effect' },
  {
    numbers: [97, 103],
    file: 'test/conformance/dnp3-hostile.test.ts',
    test: 'Each case is followed by a health check',
  },
  { numbers: [104, 104], file: 'test/unit/cli/wrongInputs.test.ts', test: 'a seed that is no number' },
];

export const NOT_HERE: readonly { readonly numbers: readonly [number, number]; readonly why: string }[] = [
  { numbers: [62, 65], why: 'the service takes no webhooks of others: there is no path for them' },
  { numbers: [95, 95], why: 'alerts are matched by zone; polygons are not read' },
];

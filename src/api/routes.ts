import type { Route } from './route.ts';
import { applianceRoutes } from './routes/appliances.ts';
import { automationRoutes } from './routes/automations.ts';
import { clockRoutes } from './routes/clock.ts';
import { commandRoutes } from './routes/commands.ts';
import { destinationRoutes } from './routes/destinations.ts';
import { eventRoutes } from './routes/events.ts';
import { fleetRoutes } from './routes/fleet.ts';
import { gridRoutes } from './routes/grid.ts';
import { marketRoutes } from './routes/market.ts';
import { metricRoutes } from './routes/metrics.ts';
import { openRoutes } from './routes/open.ts';
import { programRoutes } from './routes/programs.ts';
import { recordRoutes } from './routes/records.ts';
import { registryRoutes } from './routes/registry.ts';
import { safetyRoutes } from './routes/safety.ts';
import { scheduleRoutes } from './routes/schedules.ts';

/** Every route there is, but for the WebSocket of stream.ts. */
export const ROUTES: readonly Route[] = [
  ...openRoutes,
  ...registryRoutes,
  ...fleetRoutes,
  ...commandRoutes,
  ...applianceRoutes,
  ...scheduleRoutes,
  ...automationRoutes,
  ...safetyRoutes,
  ...gridRoutes,
  ...programRoutes,
  ...marketRoutes,
  ...eventRoutes,
  ...destinationRoutes,
  ...recordRoutes,
  ...metricRoutes,
  ...clockRoutes,
];

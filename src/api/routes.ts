import type { Route } from './route.ts';
import { commandRoutes } from './routes/commands.ts';
import { openRoutes } from './routes/open.ts';
import { registryRoutes } from './routes/registry.ts';

/** Every route there is. */
export const ROUTES: readonly Route[] = [...openRoutes, ...registryRoutes, ...commandRoutes];

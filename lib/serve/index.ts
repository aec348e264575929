// A network that answers over HTTP.
export { isLoopback } from './host';
export { serve, type RunningServer, type ServedRequest, type ServeOptions, type ServerTotals } from './server';

// What other modules and the package's users import from here.
export { energyAccount } from './account';
export type { EnergyAccount, EnergyOptions, EnergyPair, EnergyReport, MemoryTraffic } from './account';
export { ARITHMETIC, EVENT_BYTES, MEMORY } from './constants';
export type { ArithmeticConstants, MemoryConstants, MemoryLevel, NumberFormat } from './constants';
export { countOperations, OperationCounter } from './operations';
export type { SpikeTimeMaps } from './operations';
export type { LayerOperations, OperationCounts } from '../model/network/operations';
export { formatEnergyTable } from './table';

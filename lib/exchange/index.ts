// What other modules and the package's users import from here.
export { importModel, type ImportedModel, type ImportedTensor, type ImportOptions } from './import';
export { exportNir, type ExportedNir, type ExportNirOptions } from './nir/export';
export { exportOnnx, type ExportOnnxOptions } from './onnx/export';
export { exportC, type ExportCOptions, type Footprint, type WeightType } from './c/export';

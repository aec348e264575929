// What other modules and the package's users import from here.
export { importModel, type ImportedModel, type ImportedTensor, type ImportOptions } from './import';
export { exportOnnx, type ExportOnnxOptions } from './onnx/export';
export { exportC, type ExportCOptions, type Footprint, type WeightType } from './c/export';

public import ArgumentParser
public import PointCloud

extension AbsentClasses: ExpressibleByArgument {}
extension Devoxelization: ExpressibleByArgument {}
extension LabelSet: ExpressibleByArgument {}
extension PointFileFormat: ExpressibleByArgument {}
extension ScanReadingOptions.RingOrder: ExpressibleByArgument {}
extension SegmentationTrainingOptions.Schedule: ExpressibleByArgument {}
extension SegmenterConfiguration.DensityInput: ExpressibleByArgument {}
extension SparseUNetPreset: ExpressibleByArgument {}

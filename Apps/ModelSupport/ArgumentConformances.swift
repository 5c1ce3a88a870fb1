public import ArgumentParser
public import Quantization
public import Transformer

extension PerplexityOptions.Weighting: ExpressibleByArgument {}
extension RangeEstimation: ExpressibleByArgument {}
extension ScaleType: ExpressibleByArgument {}

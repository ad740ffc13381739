//! From an ONNX file to a plan and its parameters.

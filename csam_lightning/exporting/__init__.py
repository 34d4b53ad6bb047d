"""A model as one file that runs without this program: ONNX or PyTorch's pt2, preprocessing inside, checked on scans."""

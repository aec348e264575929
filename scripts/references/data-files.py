#!/usr/bin/env python3
"""Writes the small data sets of test/data/files/ in the forms in which other programs publish them, and what the readers
of Python find in them: expected.json.

    python3 scripts/references/data-files.py [FOLDER]

Needs NumPy, SciPy, pyarrow and Pillow.
"""
import base64
import gzip
import hashlib
import io
import json
import pickle
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
from PIL import Image, ImageOps


def pattern(count, *shape, seed=0):
    """Bytes that follow from their position and compress well."""
    image = np.arange(count).reshape(-1, *[1] * len(shape))
    places = [np.arange(side).reshape([-1 if i == j else 1 for j in range(len(shape))]) for i, side in enumerate(shape)]
    value = seed + 29 * image
    for i, place in enumerate(places):
        value = value + (3 + 4 * i) * (place // 2)
    return (value % 256).astype(np.uint8)


def sha(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def found(pixels, labels):
    """What expected.json says of one part: pixels (N, C, H, W) as bytes and labels as 32-bit integers."""
    return {"count": len(labels), "labels": [int(label) for label in labels], "pixels": sha(pixels.astype(np.uint8))}


class Python2Pickler(pickle._Pickler):
    """Writes texts and bytes as the strings of Python 2, in which the authors of CIFAR saved their dictionaries."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        if len(data) < 256:
            self.write(b"U" + struct.pack("<B", len(data)) + data)
        else:
            self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def python2(value):
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_tar(path, entries):
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def loaded(data, labels="labels"):
    value = pickle.loads(data, encoding="latin1")
    return value["data"].reshape(-1, 3, 32, 32), value[labels]


def cifar(folder, expected):
    """The dictionaries of cifar-10-python.tar.gz and cifar-100-python.tar.gz, with two images in a batch."""
    entries = {"cifar-10-batches-py/batches.meta": python2({"num_cases_per_batch": 2, "label_names": ["airplane"]})}
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        pixels = pattern(2, 3, 32, 32, seed=50 * number).reshape(2, 3072)
        entries[f"cifar-10-batches-py/{name}"] = python2({
            "batch_label": f"batch {number}", "labels": [number, 9 - number], "data": pixels,
            "filenames": [f"image_{number}_{i}.png" for i in range(2)]})
    write_tar(folder / "cifar-10-python.tar.gz", entries)
    parts = [loaded(entries[f"cifar-10-batches-py/data_batch_{i}"]) for i in range(1, 6)]
    expected["cifar10"] = {
        "train": found(np.concatenate([p for p, _ in parts]), sum((list(l) for _, l in parts), [])),
        "test": found(*loaded(entries["cifar-10-batches-py/test_batch"]))}

    def hundred(seed):
        return {"filenames": ["a.png", "b.png", "c.png"], "batch_label": "one", "fine_labels": [seed, 99, 50],
                "coarse_labels": [1, 2, 3], "data": pattern(3, 3, 32, 32, seed=seed).reshape(3, 3072)}

    entries = {"cifar-100-python/meta": python2({"fine_label_names": ["apple"]}),
               "cifar-100-python/train": python2(hundred(7)), "cifar-100-python/test": python2(hundred(11))}
    write_tar(folder / "cifar-100-python.tar.gz", entries)
    expected["cifar100"] = {part: found(*loaded(entries[f"cifar-100-python/{part}"], "fine_labels"))
                            for part in ("train", "test")}

    # As Python 3 writes them again: protocols 2 to 5, keys of bytes, arrays of labels, columns first.
    batch = hundred(7)
    variants = {f"protocol{number}": pickle.dumps(batch, protocol=number) for number in (2, 3, 4, 5)}
    variants["bytes"] = pickle.dumps({key.encode(): value for key, value in batch.items()}, protocol=4)
    variants["array"] = pickle.dumps({**batch, "fine_labels": np.array(batch["fine_labels"])}, protocol=2)
    variants["big-endian"] = pickle.dumps({**batch, "fine_labels": np.array(batch["fine_labels"], ">i2")}, protocol=2)
    variants["numbers"] = pickle.dumps({**batch, "fine_labels": list(np.array(batch["fine_labels"]))}, protocol=4)
    variants["columns"] = pickle.dumps({**batch, "data": np.asfortranarray(batch["data"])}, protocol=2)
    variants["images"] = pickle.dumps({**batch, "data": batch["data"].reshape(3, 3, 32, 32)}, protocol=4)
    write_tar(folder / "pickles.tar.gz", variants)


def idx(values):
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def emnist(folder, expected):
    """Four splits of EMNIST in an archive like NIST's, whose images have rows and columns exchanged."""
    classes = {"letters": (1, 26), "balanced": (0, 46), "byclass": (0, 61), "digits": (0, 9)}
    with zipfile.ZipFile(folder / "gzip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (split, (first, last)) in enumerate(classes.items()):
            for part, count in (("train", 3), ("test", 2)):
                upright = pattern(count, 28, 28, seed=40 * number + count)
                labels = np.array([first, last, (first + last) // 2][:count], np.uint8)
                for kind, values in (("images-idx3", upright.transpose(0, 2, 1)), ("labels-idx1", labels)):
                    data = gzip.compress(idx(np.ascontiguousarray(values)), mtime=0)
                    archive.writestr(f"gzip/emnist-{split}-{part}-{kind}-ubyte.gz", data)
                expected.setdefault(f"emnist-{split}", {})[part] = found(upright, labels - first)


def svhn(folder, expected):
    """As the authors of SVHN saved them in Matlab: X (32, 32, 3, N) and y (N, 1), in which a zero is 10."""
    for part, count in (("train", 5), ("test", 3), ("extra", 2)):
        pixels = pattern(count, 3, 32, 32, seed=count)
        labels = np.array([10, 1, 9, 5, 10][:count]).reshape(-1, 1)
        kind = {"train": np.uint8, "test": np.float64, "extra": np.int32}[part]
        path = folder / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": pixels.transpose(2, 3, 1, 0), "y": labels.astype(kind)},
                         do_compression=part != "extra")
        again = scipy.io.loadmat(path)
        expected.setdefault("svhn", {})[part] = found(again["X"].transpose(3, 2, 0, 1), again["y"].flatten() % 10)


def picture(width, height, channels=3, seed=0):
    """A smooth picture, of which JPEG keeps nearly everything, without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(40 + seed + (8 + 2 * c) * x + (14 - 4 * c) * y) % 256 for c in range(channels)]
    return np.stack(planes, -1).astype(np.uint8)


def saved(image, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def pictures(folder, expected):
    """Pictures in the forms that cameras, scanners and editors write, and their pixels as Pillow has them on white."""
    files = {}
    plain = Image.fromarray(picture(12, 8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"exif{orientation}.jpg"] = saved(plain, format="JPEG", quality=98, subsampling=0, exif=exif)
    files["grey.jpg"] = saved(plain.convert("L"), format="JPEG", quality=98)
    files["progressive.jpg"] = saved(plain, format="JPEG", quality=98, subsampling=0, progressive=True)
    files["cmyk.jpg"] = saved(plain.convert("CMYK"), format="JPEG", quality=98, subsampling=0)
    alpha = np.concatenate([picture(12, 8), picture(12, 8, 1, 90)], -1)
    files["alpha.png"] = saved(Image.fromarray(alpha), format="PNG")
    files["alpha.webp"] = saved(Image.fromarray(alpha), format="WEBP", lossless=True, exact=True)
    files["palette.png"] = saved(plain.quantize(16), format="PNG")
    files["palette.gif"] = saved(plain.quantize(16), format="GIF")
    files["grey16.png"] = saved(Image.fromarray(picture(12, 8, 1)[:, :, 0].astype(np.uint16) * 257), format="PNG")
    files["grey16.tif"] = saved(Image.fromarray(picture(12, 8, 1)[:, :, 0].astype(np.uint16) * 257), format="TIFF")
    files["colour.tif"] = saved(plain, format="TIFF", compression="tiff_lzw")
    write_tar(folder / "pictures.tar.gz", files)
    for name, data in files.items():
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image).astype(np.int64) // 257).astype(np.uint8))
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        pixels = np.asarray(white.convert("RGB")).transpose(2, 0, 1)
        expected.setdefault("pictures", {})[name] = {
            "size": list(image.size), "pixels": base64.b64encode(pixels.tobytes()).decode()}


def huggingface(features):
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def parquet(folder, expected):
    """A set as Hugging Face lays it: a column of pictures (bytes, path) and one of labels, with the names of the classes."""
    classes = ["cat", "dog", "owl"]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

    def table(count, seed, label="label", names=True, image="image", grey=False):
        images = [picture(8, 8, 1 if grey else 3, seed + 20 * i) for i in range(count)]
        rows = [{"bytes": saved(Image.fromarray(p[:, :, 0] if grey else p), format="PNG"), "path": f"{i}.png"}
                for i, p in enumerate(images)]
        labels = [(seed + i) % 3 for i in range(count)]
        values = pa.array(labels, pa.int64()) if names else pa.array([classes[label] for label in labels])
        result = pa.table({image: pa.array(rows, kind), label: values})
        features = {image: {"_type": "Image"}, label: {"names": classes, "_type": "ClassLabel"}}
        if names:
            result = result.replace_schema_metadata(huggingface(features))
        return result, np.stack(images).transpose(0, 3, 1, 2), labels

    def write(name, data, **options):
        pq.write_table(data, folder / name, **options)

    parts = [table(5, 0), table(4, 5)]
    write("train-00000-of-00002.parquet", parts[0][0], row_group_size=2)
    write("train-00001-of-00002.parquet", parts[1][0], compression="brotli")
    test = table(3, 100)
    write("test-00000-of-00001.parquet", test[0], compression="gzip", data_page_version="2.0")
    expected["parquet"] = {
        "train": found(np.concatenate([p[1] for p in parts]), parts[0][2] + parts[1][2]),
        "test": found(test[1], test[2])}
    grey = table(6, 30, label="labels", names=False, image="img", grey=True)
    write("grey.parquet", grey[0], compression="none", use_dictionary=False)
    expected["grey"] = {"all": found(grey[1], grey[2])}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for make in (cifar, emnist, svhn, pictures, parquet):
        make(folder, expected)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "test/data/files"))

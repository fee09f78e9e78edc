"""Writes Tests/ApusFormatsTests/Goldens/parquet: tables by pyarrow, and their rows as JSON.

Needs: pyarrow, numpy. Each file is one table with one way of writing it.
"""

import json
import pathlib
import shutil

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/ApusFormatsTests/Goldens/parquet"

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
NESTED = pa.struct([("list", pa.list_(pa.list_(pa.int32()))), ("name", pa.string())])


def rows(count):
    for i in range(count):
        yield {
            "text": None if i % 7 == 3 else f"sample {i} grüße " + "word " * (i % 5),
            "kind": ["a", "b", "c"][i % 3],
            "flag": None if i % 5 == 0 else i % 2 == 0,
            "int32": i * 3 - 50,
            "int64": None if i % 4 == 1 else (i - 10) * 10**12,
            "uint32": 4294967295 - i,
            "float": i / 4,
            "double": None if i % 6 == 0 else i / 3,
            "ids": None if i % 9 == 4 else list(range(i % 6)),
            "messages": [
                {"role": "user", "content": f"question {i}"},
                {"role": "assistant", "content": None if i % 8 == 2 else f"answer {i}"},
            ][: i % 3],
            "nested": None
            if i % 5 == 2
            else {"list": [[1, i], [], None, [None, 2]][: i % 5], "name": f"n{i}"},
            "nothing": None,
        }


SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        ("flag", pa.bool_()),
        pa.field("int32", pa.int32(), nullable=False),
        ("int64", pa.int64()),
        ("uint32", pa.uint32()),
        ("float", pa.float32()),
        ("double", pa.float64()),
        ("ids", pa.list_(pa.int32())),
        ("messages", pa.list_(MESSAGE)),
        ("nested", NESTED),
        ("nothing", pa.string()),
    ]
)

WAYS = {
    "plain": dict(compression="none", use_dictionary=False),
    "snappy": dict(compression="snappy"),
    "gzip": dict(compression="gzip", data_page_version="2.0"),
    "zstd": dict(compression="zstd", data_page_size=300, row_group_size=37),
    "lz4": dict(compression="lz4"),
    "delta": dict(
        compression="none",
        use_dictionary=False,
        data_page_version="2.0",
        column_encoding={
            "int32": "DELTA_BINARY_PACKED",
            "int64": "DELTA_BINARY_PACKED",
            "text": "DELTA_BYTE_ARRAY",
            "kind": "DELTA_LENGTH_BYTE_ARRAY",
            "flag": "RLE",
        },
    ),
}

shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir(parents=True)
content = list(rows(100))
table = pa.Table.from_pylist(content, schema=SCHEMA)
for name, options in WAYS.items():
    pq.write_table(table, OUT / f"{name}.parquet", **options)
with open(OUT / "rows.jsonl", "w", encoding="utf-8") as out:
    out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in content)

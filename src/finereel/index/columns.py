"""Names of the clip table's columns that several modules need."""

CHECKSUMS = "checksums"
FILE_CHECKSUMS = "file_checksums"
CHECKSUM_COLUMNS = (CHECKSUMS, FILE_CHECKSUMS)

FILE_COLUMNS = ["file_id", "video_id", "path", "size", "mtime_ns", "missing", "warning"]
"""What says which file a clip belongs to; the same in every clip of a file, but for films that were
committed in parts (see `finereel.index.schema.UNFINISHED`).
"""

"""Large datasets: tar shards, parquet files and lists of files, on a disk or remote."""

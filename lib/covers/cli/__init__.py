"""The command line: parser, exit codes, console output, the pipeline's steps."""

#!/bin/sh
# Runs the program in the folder of a test, where the files that a case names lie.
cd "$CHANCERY_TEST_DESK" && exec "$CHANCERY_TEST_PROGRAM" "$@"

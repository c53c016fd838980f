#!/bin/sh
# Who: a platform admin, or a pipeline
# The TAO becomes a subdistrict municipality: the old tenant leaves, and its record is what the new one takes over.
set -eu
kubectl eoffice retire tao-khanong-phra-3021 --yes

#!/bin/sh
# Who: a platform admin, or a pipeline
# It leaves again, with all the data that it took over.
set -eu
kubectl eoffice retire sm-khanong-phra-3021 --yes

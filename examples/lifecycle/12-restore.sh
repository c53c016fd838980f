#!/bin/sh
# Who: a platform admin, or a pipeline that applies 01-request.yaml again
# It was a mistake: made again from its record, the tenant takes its data back by itself, with new credentials and the
# approval it had.
set -eu
kubectl eoffice restore tao-khanong-phra-3021

#!/bin/sh
# Who: a platform admin, or a pipeline
# Deletes the EOfficeTenant, and writes down who did. It is closed; its TenantRecord stays as a tombstone, with database
# and bucket behind it, for the class's retain.days at least.
set -eu
kubectl eoffice retire tao-khanong-phra-3021 --yes

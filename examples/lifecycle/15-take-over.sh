#!/bin/sh
# Who: approver
# Writes spec.restoreFrom first, and only then approves: a tenant that is approved before gets data of its own, and can
# take over nothing any more.
set -eu
kubectl eoffice restore sm-khanong-phra-3021 --from eoffice-tao-khanong-phra-3021 --yes
kubectl eoffice approve sm-khanong-phra-3021 --yes

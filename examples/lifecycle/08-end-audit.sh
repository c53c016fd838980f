#!/bin/sh
# Who: a province officer, or a platform admin
# The audit is over before its time: login, user, key and Secret go.
set -eu
kubectl eoffice audit-access tao-khanong-phra-3021 --name oag-somchai --remove

#!/bin/sh
# Who: a province officer, or a platform admin
# Closed for now: no ingress, no login, no key, no pods; all data stays.
# Back: kubectl eoffice reopen tao-khanong-phra-3021
set -eu
kubectl eoffice suspend tao-khanong-phra-3021 --yes

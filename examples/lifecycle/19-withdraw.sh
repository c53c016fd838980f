#!/bin/sh
# Who: approver, or a platform admin
# Until the cooling time is over nothing was destroyed, and the order can be taken back.
set -eu
kubectl eoffice purge sm-khanong-phra-3021 --withdraw

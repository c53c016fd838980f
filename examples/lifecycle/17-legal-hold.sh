#!/bin/sh
# Who: approver, or a platform admin
# A court wants it kept: nothing behind the record is destroyed, whoever orders it. A tenant that lives can be held too.
# Back: kubectl eoffice legal-hold sm-khanong-phra-3021 --release
set -eu
kubectl eoffice legal-hold sm-khanong-phra-3021
kubectl eoffice legal-hold sm-khanong-phra-3021 --release --yes

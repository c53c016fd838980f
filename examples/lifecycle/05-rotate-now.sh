#!/bin/sh
# Who: a province officer, or a platform admin
# A credential leaked: those before are cut off as soon as the new ones work.
set -eu
kubectl eoffice rotate tao-khanong-phra-3021 --now

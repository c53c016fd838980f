#!/bin/sh
# Who: a province officer, or a platform admin
# New credentials in both Secrets; those before still work until nothing uses them any more (rotation.grace), or until
# rotation.deadline. Deployments, StatefulSets and DaemonSets of the tenant with the label
# eoffice.gdcc.go.th/restart-on-rotation: "true" are restarted. --wait waits for it.
set -eu
kubectl eoffice rotate tao-khanong-phra-3021

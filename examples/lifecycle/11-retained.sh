#!/bin/sh
# Who: approver, auditor, or a platform admin
# What is kept, and until when: of all tenants that have left, and of one in full.
set -eu
kubectl eoffice retained
kubectl eoffice retained tao-khanong-phra-3021

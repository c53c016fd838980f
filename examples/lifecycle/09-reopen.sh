#!/bin/sh
# Who: a province officer, or a platform admin
# Open again, from Suspended or from Archived, with all its data.
set -eu
kubectl eoffice reopen tao-khanong-phra-3021

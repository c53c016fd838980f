#!/bin/sh
# Who: approver
# Shows agency, class and size, and approves exactly these, in the approver's own name. Changed later, they ask again;
# meanwhile the tenant runs on as it was approved. Without --yes the approver is asked.
set -eu
kubectl eoffice approve tao-khanong-phra-3021 --yes

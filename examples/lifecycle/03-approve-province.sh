#!/bin/sh
# Who: approver
# One MOU with the whole province: approves all its tenants, those still to come included.
# Back: kubectl eoffice approve --province 30 --withdraw (what runs goes on; what is new waits for its own approval).
set -eu
kubectl eoffice approve --province 30 --mou MOU-2569-KORAT --yes

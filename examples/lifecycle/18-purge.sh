#!/bin/sh
# Who: approver
# The tenant has left and its years of retention are over: a committee decided that the records may be destroyed. The
# operator waits for the cooling time (purge.cooling in the chart's values, 7 days), proves what it destroys, and leaves
# a certificate of destruction in the record. Without --confirm the approver types the tenant's name.
set -eu
kubectl eoffice purge sm-khanong-phra-3021 --committee NAT-2580-112 --confirm sm-khanong-phra-3021

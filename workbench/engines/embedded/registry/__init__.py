"""The registry protocol (OCI distribution): images pulled into the store and pushed out of it.

`pull.pull` and `push.push` are the two ways in. Everything blocks; secrets stay in `credentials` and `auth`.

Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
"""

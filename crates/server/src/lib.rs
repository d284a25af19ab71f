//! HTTP: the Heroku-compatible and the EC2-compatible API, the ledger, the reconcile loops.

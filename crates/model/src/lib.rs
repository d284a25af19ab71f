//! Pure model of VPCs, Private Spaces and peering: every resource, every rule.

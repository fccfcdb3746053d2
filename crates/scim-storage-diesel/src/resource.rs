//! Resources: create, read, update and delete, each inside one transaction.
//!
//! Locks are always taken in the order users, groups, and within each in the order of `pk`, so that deadlocks are
//! rare on PostgreSQL. A member is locked against renaming while it joins a group, so that every change of its
//! display name gives a new version to every group that it is in.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod index_rows;
pub(crate) mod member_list;
pub(crate) mod members;
pub(crate) mod membership_changes;
pub(crate) mod next;
pub(crate) mod read;
pub(crate) mod secrets;
pub(crate) mod size_limits;
pub(crate) mod subject;
pub(crate) mod update;

//! Tenants: the customers of a product.

use chrono::{DateTime, Utc};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Identifies the tenant in calls.
    pub id: TenantId,
    /// Identifies the tenant in the configuration and to operators.
    pub name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// The number of a tenant. Every call on resources names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub i64);

//! Operations on a database as a whole, which the command line offers.

mod backup;
mod copy;
mod inspection;
mod migration_list;
mod rows;
mod tables;

pub use backup::{Backup, BackupError, BackupProgress, backup};
pub use copy::{CopiedTable, CopyError, CopyProgress, move_to_postgres};
pub use inspection::{Files, Inspection, inspect};
pub use migration_list::{Migrations, migrations};
pub use tables::RowCount;

//! The progress of backups.

use std::sync::Mutex;

use scim_model::store::Directory as _;
use scim_storage_diesel::maintenance::{self, BackupProgress};
use scim_storage_diesel::{DieselStore, Pooler};

#[test]
fn a_backup_reports_its_progress_up_to_the_end() {
    let folder = tempfile::tempdir().expect("there is space");
    let url = format!("sqlite:{}", folder.path().join("scim.db").display());
    let store = DieselStore::open_directory(&url, Pooler::None).expect("the folder is empty");
    for number in 0..200 {
        let name = format!("tenant{number}");
        store
            .create_tenant(&name, chrono::Utc::now())
            .expect("the name is free");
    }
    let seen = Mutex::new(Vec::new());
    let file = folder.path().join("copy.db");
    let show = |it: BackupProgress| seen.lock().expect("no thread panics").push(it);
    let backup = maintenance::backup(&url, &file, &show).expect("the file is new");
    let seen = seen.into_inner().expect("no thread panics");
    assert!(seen.is_sorted_by_key(|it| it.done), "{seen:?}");
    let last = seen.last().expect("it was called");
    assert_eq!(last.done, last.all);
    assert!(seen.iter().all(|it| it.all == last.all), "{seen:?}");
    // The copy has about the same size.
    assert!(
        backup.bytes <= last.all && backup.bytes > last.all / 4,
        "{last:?}, {}",
        backup.bytes
    );
}

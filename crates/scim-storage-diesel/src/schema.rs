//! The tables, as the statements in diesel's query DSL see them.
//!
//! Generated from the migrations by the test `the_tables_are_those_of_the_migrations`, which fails when they differ
//! on either database. `resource_normal` is left out: the type of its JSON depends on the database.

diesel::table! {
    tenant (id) {
        id -> BigInt,
        name -> Text,
        created -> BigInt,
        deleted -> Bool,
    }
}

diesel::table! {
    token (id) {
        id -> Binary,
        tenant_id -> BigInt,
        sha256 -> Binary,
        created -> BigInt,
        expires -> Nullable<BigInt>,
        revoked -> Nullable<BigInt>,
        read_only -> Bool,
        note -> Text,
        connection_id -> Nullable<Binary>,
        name -> Nullable<Text>,
        last_four -> Nullable<Text>,
        last_used -> Nullable<BigInt>,
        replaced -> Bool,
    }
}

diesel::table! {
    resource_type (id) {
        id -> BigInt,
        name -> Text,
        shape -> Text,
    }
}

diesel::table! {
    attribute_path (id) {
        id -> BigInt,
        kind -> BigInt,
        path -> Text,
    }
}

diesel::table! {
    resource (pk) {
        pk -> BigInt,
        tenant_id -> BigInt,
        kind -> BigInt,
        id -> Binary,
        version -> BigInt,
        created -> BigInt,
        modified -> BigInt,
        active -> Nullable<Bool>,
        unique_key -> Nullable<Text>,
        external_key -> Nullable<Text>,
        display_key -> Nullable<Text>,
        family_key -> Nullable<Text>,
        label -> Nullable<Text>,
        document -> Text,
    }
}

diesel::table! {
    attribute_value (tenant_id, path, key, pk) {
        tenant_id -> BigInt,
        path -> BigInt,
        key -> Text,
        pk -> BigInt,
    }
}

diesel::table! {
    unique_value (tenant_id, path, key) {
        tenant_id -> BigInt,
        path -> BigInt,
        key -> Text,
        pk -> BigInt,
    }
}

diesel::table! {
    membership (group_pk, joined) {
        tenant_id -> BigInt,
        group_pk -> BigInt,
        joined -> BigInt,
        member_pk -> BigInt,
    }
}

diesel::table! {
    resource_count (tenant_id, kind, shard) {
        tenant_id -> BigInt,
        kind -> BigInt,
        shard -> BigInt,
        number -> BigInt,
    }
}

diesel::table! {
    changes (sequence) {
        sequence -> BigInt,
        transaction_id -> BigInt,
        tenant_id -> BigInt,
        at -> BigInt,
        kind -> BigInt,
        id -> Binary,
        version -> BigInt,
        action -> Text,
        change -> Text,
        actor -> Nullable<Text>,
        connection_id -> Nullable<Binary>,
        credential_id -> Nullable<Binary>,
        request_id -> Nullable<Text>,
        command_user -> Nullable<Text>,
        write_id -> Nullable<Binary>,
        names -> Nullable<Text>,
    }
}

diesel::table! {
    secret (pk, tenant_id, path) {
        tenant_id -> BigInt,
        pk -> BigInt,
        path -> Text,
        hash -> Text,
    }
}

diesel::table! {
    journal_start (tenant_id) {
        tenant_id -> BigInt,
        transaction_id -> BigInt,
        sequence -> BigInt,
        at -> BigInt,
        parts -> Nullable<BigInt>,
    }
}

diesel::table! {
    connection (id) {
        id -> Binary,
        tenant_id -> BigInt,
        name -> Text,
        preset -> Text,
        settings -> Text,
        paused -> Bool,
        created -> BigInt,
    }
}

diesel::table! {
    access_token (sha256) {
        sha256 -> Binary,
        tenant_id -> BigInt,
        client -> Binary,
        secret -> Nullable<Binary>,
        read_only -> Bool,
        created -> BigInt,
        expires -> BigInt,
    }
}

diesel::table! {
    oauth_client (id) {
        id -> Binary,
        tenant_id -> BigInt,
        connection_id -> Binary,
        client_id -> Text,
        name -> Text,
        method -> Text,
        read_only -> Bool,
        disabled -> Bool,
        created -> BigInt,
        last_used -> Nullable<BigInt>,
    }
}

diesel::table! {
    oauth_secret (id) {
        id -> Binary,
        tenant_id -> BigInt,
        client -> Binary,
        sha256 -> Binary,
        last_four -> Text,
        name -> Text,
        created -> BigInt,
        expires -> BigInt,
        last_used -> Nullable<BigInt>,
    }
}

diesel::table! {
    used_assertion (digest) {
        digest -> Binary,
        expires -> BigInt,
    }
}

diesel::table! {
    deleted_connection (tenant_id, id) {
        tenant_id -> BigInt,
        id -> Binary,
        name -> Text,
        created -> BigInt,
        deleted -> BigInt,
    }
}

diesel::table! {
    operator_key (id) {
        id -> Binary,
        name -> Text,
        scope -> Text,
        limited -> Bool,
        sha256 -> Binary,
        last_four -> Text,
        created -> BigInt,
        expires -> Nullable<BigInt>,
        revoked -> Nullable<BigInt>,
        last_used -> Nullable<BigInt>,
    }
}

diesel::table! {
    deleted_credential (tenant_id, id) {
        tenant_id -> BigInt,
        id -> Binary,
        kind -> Text,
        client_id -> Nullable<Text>,
        name -> Text,
        connection_name -> Text,
        created -> BigInt,
        deleted -> BigInt,
    }
}

diesel::table! {
    set_attempt (stream, id) {
        stream -> Binary,
        id -> Binary,
        jti -> Text,
        at -> BigInt,
        attempt -> BigInt,
        status -> Nullable<BigInt>,
        milliseconds -> BigInt,
        error -> Nullable<Text>,
        response -> Text,
    }
}

diesel::table! {
    webhook_delivery (endpoint, id) {
        endpoint -> Binary,
        id -> Binary,
        message -> Text,
        at -> BigInt,
        attempt -> BigInt,
        status -> Nullable<BigInt>,
        milliseconds -> BigInt,
        error -> Nullable<Text>,
        response -> Text,
    }
}

diesel::table! {
    operator_key_tenant (tenant_id, operator_key) {
        tenant_id -> BigInt,
        operator_key -> Binary,
    }
}

diesel::table! {
    idempotency_key (digest) {
        digest -> Binary,
        request -> Binary,
        object -> Binary,
        at -> BigInt,
        done -> Bool,
    }
}

diesel::table! {
    webhook_endpoint (id) {
        id -> Binary,
        url -> Text,
        tenants -> Nullable<Text>,
        types -> Text,
        full_view -> Bool,
        headers -> Nullable<Binary>,
        created -> BigInt,
        position -> Text,
        revision -> BigInt,
        queued -> BigInt,
        disabled_reason -> Nullable<Text>,
        disabled_at -> Nullable<BigInt>,
        failing_since -> Nullable<BigInt>,
        slow_until -> Nullable<BigInt>,
        lease_owner -> Nullable<Binary>,
        lease_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhook_message (endpoint, message) {
        endpoint -> Binary,
        message -> Text,
        resource -> Nullable<Text>,
        attempts -> BigInt,
        next_attempt -> Nullable<BigInt>,
        dead -> Bool,
        error -> Nullable<Text>,
        since -> BigInt,
        and_later -> Bool,
    }
}

diesel::table! {
    webhook_secret (id) {
        id -> Binary,
        endpoint -> Binary,
        sealed -> Binary,
        created -> BigInt,
        expires -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhook_worker (id) {
        id -> Binary,
        seen -> BigInt,
    }
}

diesel::table! {
    deleted_change (sequence) {
        sequence -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    finished_set (stream, jti) {
        stream -> Binary,
        jti -> Text,
        sequence -> BigInt,
    }
}

diesel::table! {
    refused_set (stream, jti) {
        stream -> Binary,
        jti -> Text,
        error -> Text,
        description -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    set_stream (id) {
        id -> Binary,
        name -> Text,
        issuer -> Text,
        audience -> Text,
        tenants -> Nullable<Text>,
        events -> Text,
        url -> Nullable<Text>,
        authorization_header -> Nullable<Binary>,
        algorithm -> Text,
        with_user_name -> Bool,
        revoked_subject -> Text,
        account_issuer -> Text,
        status -> Text,
        status_reason -> Text,
        status_since -> BigInt,
        position_sequence -> BigInt,
        position_at -> BigInt,
        revision -> BigInt,
        created -> BigInt,
        attempts -> BigInt,
        failing_since -> Nullable<BigInt>,
        next_attempt -> Nullable<BigInt>,
        lease_owner -> Nullable<Binary>,
        lease_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    set_stream_event (stream, id) {
        stream -> Binary,
        id -> Binary,
        kind -> Text,
        content -> Text,
        created -> BigInt,
    }
}

diesel::table! {
    set_stream_last_event (stream, kind) {
        stream -> Binary,
        kind -> Text,
        created -> BigInt,
    }
}

diesel::table! {
    signing_key (id) {
        id -> Binary,
        algorithm -> Text,
        number -> BigInt,
        sealed -> Binary,
        public -> Text,
        created -> BigInt,
        signs_from -> BigInt,
    }
}

diesel::joinable!(connection -> tenant (tenant_id));
diesel::joinable!(deleted_connection -> tenant (tenant_id));
diesel::joinable!(deleted_credential -> tenant (tenant_id));
diesel::joinable!(token -> tenant (tenant_id));
diesel::joinable!(token -> connection (connection_id));
diesel::joinable!(membership -> resource (member_pk));
diesel::joinable!(operator_key_tenant -> tenant (tenant_id));
diesel::joinable!(operator_key_tenant -> operator_key (operator_key));
diesel::joinable!(secret -> resource (pk));

diesel::allow_tables_to_appear_in_same_query!(
    access_token,
    attribute_path,
    attribute_value,
    changes,
    connection,
    deleted_change,
    deleted_connection,
    deleted_credential,
    idempotency_key,
    journal_start,
    membership,
    oauth_client,
    oauth_secret,
    operator_key,
    operator_key_tenant,
    resource,
    resource_count,
    resource_type,
    secret,
    tenant,
    token,
    unique_value,
    used_assertion,
    webhook_delivery,
    webhook_endpoint,
    webhook_message,
    webhook_secret,
    webhook_worker,
);

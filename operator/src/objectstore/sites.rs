//! Every place from which this plane calls out.

use crate::effect::{Plane, Site};
use std::time::Duration;

/// Gives each site its name, plane and access, in one table.
macro_rules! sites {
    ($($name:ident = $access:ident $plane:ident $verb:literal;)+) => {
        $(pub(super) const $name: Site = Site::$access(Plane::$plane, $verb);)+
    };
}

sites! {
    LIST_BUCKETS = read S3 "list_buckets";
    GET_BUCKET_TAGGING = read S3 "get_bucket_tagging";
    GET_BUCKET_VERSIONING = read S3 "get_bucket_versioning";
    GET_BUCKET_LOCK = read S3 "get_object_lock_configuration";
    GET_BUCKET_POLICY = read S3 "get_bucket_policy";
    GET_BUCKET_LIFECYCLE = read S3 "get_bucket_lifecycle";
    GET_BUCKET_ENCRYPTION = read S3 "get_bucket_encryption";
    LIST_VERSIONS = read S3 "list_object_versions";
    LIST_UPLOADS = read S3 "list_multipart_uploads";
    HEAD_OBJECT = read S3 "head_object";
    CREATE_BUCKET = write S3 "create_bucket";
    PUT_BUCKET_TAGGING = write S3 "put_bucket_tagging";
    PUT_BUCKET_VERSIONING = write S3 "put_bucket_versioning";
    PUT_BUCKET_LOCK = write S3 "put_object_lock_configuration";
    DELETE_BUCKET_POLICY = write S3 "delete_bucket_policy";
    PUT_OBJECT = write S3 "put_object";
    ABORT_UPLOAD = write S3 "abort_multipart_upload";
    DELETE_BUCKET = write S3 "delete_bucket";

    LIST_USERS = read Iam "list_users";
    GET_USER = read Iam "get_user";
    LIST_USER_POLICIES = read Iam "list_user_policies";
    GET_USER_POLICY = read Iam "get_user_policy";
    LIST_ATTACHED_POLICIES = read Iam "list_attached_user_policies";
    LIST_ACCESS_KEYS = read Iam "list_access_keys";
    GET_KEY_LAST_USED = read Iam "get_access_key_last_used";
    CREATE_USER = write Iam "create_user";
    PUT_USER_POLICY = write Iam "put_user_policy";
    DELETE_USER_POLICY = write Iam "delete_user_policy";
    DETACH_USER_POLICY = write Iam "detach_user_policy";
    CREATE_ACCESS_KEY = write Iam "create_access_key";
    UPDATE_ACCESS_KEY = write Iam "update_access_key";
    DELETE_ACCESS_KEY = write Iam "delete_access_key";
    DELETE_USER = write Iam "delete_user";

    TENANT_LIST_OBJECTS = read S3 "tenant_list_objects";
    TENANT_LIST_VERSIONS = read S3 "tenant_list_object_versions";
    TENANT_LIST_UPLOADS = read S3 "tenant_list_multipart_uploads";
    TENANT_GET_OBJECT = read S3 "tenant_get_object";
    TENANT_PUT_OBJECT = write S3 "tenant_put_object";
    TENANT_DELETE_VERSION = write S3 "tenant_delete_object_version";
    TENANT_CREATE_UPLOAD = write S3 "tenant_create_multipart_upload";
    TENANT_UPLOAD_PART = write S3 "tenant_upload_part";
    TENANT_ABORT_UPLOAD = write S3 "tenant_abort_multipart_upload";
}

/// A thousand versions at once.
pub(super) const DELETE_OBJECTS: Site =
    Site::write(Plane::S3, "delete_objects").within(Duration::from_secs(60));

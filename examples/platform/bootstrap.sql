-- Prepares a PostgreSQL server (16 or later) for the e-Office operator. A superuser runs it once, in the
-- database "postgres"; running it again does no harm:
--
--   psql --set ON_ERROR_STOP=1 --dbname postgres --file bootstrap.sql
--   psql --dbname postgres --command '\password eoffice_operator'
--
-- The second line gives the role its password, which never crosses the wire in clear.

-- The operator's role: makes databases and roles, and is no superuser.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eoffice_operator') THEN
        CREATE ROLE eoffice_operator;
    END IF;
END
$$;
ALTER ROLE eoffice_operator
    LOGIN CREATEDB CREATEROLE NOSUPERUSER NOREPLICATION NOBYPASSRLS INHERIT;
ALTER ROLE eoffice_operator SET createrole_self_grant = 'set, inherit';

-- Tenants log in to this server, and have no business in its own databases.
REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC;
-- TEMPORARY, because passwords' verifiers arrive by COPY, so that they are in no statement and in no log.
GRANT CONNECT, TEMPORARY ON DATABASE postgres TO eoffice_operator;

-- A tenant can change its own password. The operator finds that out by this function, the only one that looks at
-- passwords: it answers a hash of each stored verifier, and only for roles that bear the operator's mark, have no
-- privilege of their own, and are administered by the one who asks. One call answers for all of them, or for those
-- among the names given.
CREATE SCHEMA IF NOT EXISTS eoffice;
REVOKE ALL ON SCHEMA eoffice FROM PUBLIC;
GRANT USAGE ON SCHEMA eoffice TO eoffice_operator;

DROP FUNCTION IF EXISTS eoffice.password_fingerprint(oid);
CREATE OR REPLACE FUNCTION eoffice.password_fingerprints(among name[] DEFAULT NULL)
RETURNS TABLE (role oid, fingerprint text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 2000
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.oid, encode(sha256(convert_to(a.rolpassword, 'UTF8')), 'hex')
    FROM pg_authid a
    WHERE a.rolname LIKE 'eo\_%'
      AND (among IS NULL OR a.rolname = ANY (among))
      AND a.rolpassword IS NOT NULL
      AND NOT (a.rolsuper OR a.rolcreatedb OR a.rolcreaterole OR a.rolreplication OR a.rolbypassrls)
      AND a.oid IN (
          SELECT c.objoid FROM pg_shdescription c
          WHERE c.classoid = 'pg_authid'::regclass AND c.description LIKE 'eoffice:%'
      )
      AND a.oid IN (
          SELECT m.roleid FROM pg_auth_members m JOIN pg_authid asking ON asking.oid = m.member
          WHERE asking.rolname = session_user AND m.admin_option
      )
$$;
REVOKE ALL ON FUNCTION eoffice.password_fingerprints(name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eoffice.password_fingerprints(name[]) TO eoffice_operator;

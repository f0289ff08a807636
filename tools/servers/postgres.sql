-- The roles and the database that the platform expects, for psql as a superuser; docs/postgres.md says what each may do.
-- They have no password here: give them one (or certificates) wherever others can reach the server.
CREATE ROLE chaveiro_maintenance LOGIN;
CREATE ROLE chaveiro_runtime LOGIN;
CREATE ROLE chaveiro_import LOGIN BYPASSRLS;
CREATE DATABASE chaveiro OWNER chaveiro_maintenance ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE chaveiro FROM PUBLIC;
GRANT CONNECT ON DATABASE chaveiro TO chaveiro_runtime, chaveiro_import;

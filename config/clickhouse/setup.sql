-- Once, as an administrator: clickhouse-client --param_password='…' --queries-file setup.sql
CREATE DATABASE IF NOT EXISTS edge;

-- Nodes: they make their tables, insert, ask, and erase. Nothing outside the database.
CREATE SETTINGS PROFILE IF NOT EXISTS edge_node SETTINGS
    async_insert = 0,
    insert_deduplicate = 1,
    deduplicate_blocks_in_dependent_materialized_views = 1,
    max_memory_usage = 4000000000,
    max_concurrent_queries_for_user = 40;
CREATE QUOTA IF NOT EXISTS edge_node KEYED BY user_name FOR INTERVAL 1 hour MAX queries = 200000, errors = 10000;
CREATE USER IF NOT EXISTS edge IDENTIFIED BY {password:String} SETTINGS PROFILE edge_node;
GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, ALTER DELETE, ALTER UPDATE,
    ALTER ADD COLUMN, ALTER MODIFY COLUMN, DROP VIEW ON edge.* TO edge;
ALTER QUOTA edge_node TO edge;

-- People and boards: they read, for ten seconds a question.
CREATE SETTINGS PROFILE IF NOT EXISTS edge_reader SETTINGS
    readonly = 2, max_execution_time = 10, max_memory_usage = 2000000000, max_result_rows = 100000;
CREATE ROLE IF NOT EXISTS edge_reader SETTINGS PROFILE edge_reader;
GRANT SELECT ON edge.* TO edge_reader;

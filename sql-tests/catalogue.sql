-- The house rules, for every object of ours, whoever adds it. A check is a view that lists its offenders; its comment
-- is the rule. Each is first shown an object that breaks the rule, so that it can't pass by finding nothing.
begin;

-- What is looked at

create temp view our_relations as
select
  c.oid,
  format('%I.%I', n.nspname, c.relname) as name,
  c.relname as short_name,
  c.relkind in ('r', 'p') as is_table,
  n.nspname = 'attune' as is_exposed,
  c.relkind,
  c.relispartition,
  c.relacl,
  c.relrowsecurity,
  coalesce(c.reloptions, '{}') as options
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'auth')
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e');

create temp view our_tables as
select * from our_relations where is_table;

create temp view our_columns as
select
  r.oid as table_oid,
  a.attnum,
  format('%s.%I', r.name, a.attname) as name,
  a.attname as short_name,
  a.attgenerated <> '' as is_generated,
  t.oid as type_oid,
  coalesce(nullif(t.typbasetype, 0), t.oid) as base_type,
  coalesce(nullif(a.atttypmod, -1), t.typtypmod) as typmod,
  r.is_table,
  r.is_exposed
from our_relations as r
join pg_attribute as a on a.attrelid = r.oid
join pg_type as t on t.oid = a.atttypid
where a.attnum > 0
  and not a.attisdropped
  and r.relkind <> 'S';

-- The text of every check that a column's values pass, its own and its domain's.
create temp view our_column_checks as
select c.table_oid, c.attnum, pg_get_constraintdef(k.oid) as definition
from our_columns as c
join pg_constraint as k
  on k.contype = 'c' and (k.conrelid = c.table_oid and c.attnum = any (k.conkey) or k.contypid = c.type_oid);

create temp view our_functions as
select
  p.oid,
  p.oid::regprocedure::text as name,
  n.nspname = 'attune' as is_exposed,
  n.nspname = 'attune_hidden' as is_hidden,
  p.prorettype = 'trigger'::regtype as is_trigger,
  p.prosecdef,
  -- An aggregate has no body: its functions do.
  p.prosqlbody is not null or p.prokind = 'a' as has_standard_body,
  p.prosrc,
  coalesce(p.proconfig, '{}') as settings,
  coalesce(p.proacl, acldefault('f', p.proowner)) as acl,
  -- One that has settings, or is a definer's, can't commit.
  p.prokind = 'p' and not p.prosecdef as may_commit,
  coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype as types
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'auth')
  and not exists (select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e');

create temp view our_types as
select t.oid, format('%I.%I', n.nspname, t.typname) as name
from pg_type as t
join pg_namespace as n on n.oid = t.typnamespace
left join pg_class as c on c.oid = t.typrelid
where n.nspname = 'attune'
  and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
  and not exists (select from pg_depend as d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e');

create temp view our_policies as
select
  t.name || ': ' || p.polname as name,
  p.polname as short_name,
  t.oid as table_oid,
  t.short_name as table_name,
  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end as command,
  p.polpermissive as is_permissive,
  p.polroles as roles,
  concat_ws(E'\n', pg_get_expr(p.polqual, t.oid), pg_get_expr(p.polwithcheck, t.oid)) as expression
from pg_policy as p
join our_tables as t on t.oid = p.polrelid;

create temp view our_foreign_keys as
select k.oid, t.name || ': ' || k.conname as name, t.oid as table_oid, k.confrelid, k.conkey, k.confdeltype
from pg_constraint as k
join our_tables as t on t.oid = k.conrelid
where k.contype = 'f' and k.conparentid = 0;

create temp view our_indexes as
select
  i.indexrelid as oid,
  i.indexrelid::regclass::text as name,
  t.oid as table_oid,
  i.indisunique,
  (i.indkey::int2[])[0:i.indnkeyatts - 1] as keys,
  i.indnatts > i.indnkeyatts as includes,
  -- Two indexes with the same shape and keys differ in nothing but what they cover and enforce.
  concat_ws(' ', c.relam, pg_get_expr(i.indexprs, t.oid), pg_get_expr(i.indpred, t.oid)) as shape,
  array(
    select concat_ws(' ', k.key, i.indclass[k.place - 1], i.indcollation[k.place - 1], i.indoption[k.place - 1])
    from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality as k (key, place)
    order by k.place
  ) as ordered_keys,
  pg_get_expr(i.indpred, t.oid) as predicate
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join our_tables as t on t.oid = i.indrelid;

create temp view our_triggers as
select t.name || ': ' || g.tgname as name, g.tgname as short_name, t.short_name as table_name, n.nspname as function_schema, p.proname as function_name
from pg_trigger as g
join our_tables as t on t.oid = g.tgrelid
join pg_proc as p on p.oid = g.tgfoid
join pg_namespace as n on n.oid = p.pronamespace
where not g.tgisinternal and g.tgparentid = 0;

-- Grants of tables, whole or by column; PUBLIC is the role 0.
create temp view our_grants as
select r.name, x.grantee, x.privilege_type, false as is_column
from our_relations as r, aclexplode(r.relacl) as x
where r.relkind <> 'c'
union all
select format('%s.%I', r.name, a.attname), x.grantee, x.privilege_type, true
from our_relations as r
join pg_attribute as a on a.attrelid = r.oid
cross join aclexplode(a.attacl) as x;

create temp view our_request_roles as
select r.oid, r.rolname
from pg_roles as r
where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
union all
select 0, 'public';

-- Row level security

create temp view tables_without_rls as
select name as offender from our_tables where not relrowsecurity;
comment on view tables_without_rls is 'every table has row level security, also the private ones';

create temp view tables_without_policy as
select t.name as offender
from our_tables as t
where t.is_exposed and not t.relispartition and not exists (select from our_policies as p where p.table_oid = t.oid);
comment on view tables_without_policy is 'every exposed table has a policy';

create temp view policies_misnamed as
select name as offender
from our_policies
where short_name !~ format('^%s_%s_[a-z][a-z_]*$', table_name, command);
comment on view policies_misnamed is 'a policy is named <table>_<command>_<who>';

create temp view policies_to_public as
select name as offender from our_policies where 0 = any (roles);
comment on view policies_to_public is 'a policy says to which role it applies';

create temp view policies_doubled as
select format('%s: %s to %s', min(t.name), c.command, r.role::regrole) as offender
from our_policies as p
join our_tables as t on t.oid = p.table_oid
cross join unnest(p.roles) as r (role)
cross join unnest(array['select', 'insert', 'update', 'delete']) as c (command)
where p.is_permissive and p.command in (c.command, 'all')
group by p.table_oid, c.command, r.role
having count(*) > 1;
comment on view policies_doubled is 'there is one policy per table, command and role';

create temp view policies_computed_per_row as
select name as offender
from our_policies
-- A call that depends on no column is a sub-select of its own, which is computed once a query.
where expression ~ '(?<!\( SELECT )(?<!\( SELECT \()\m(attune|attune_hidden|attune_private|auth)\.\w+\(\)'
   or expression ~ '\m(attune|attune_hidden|attune_private|auth)\.\w+\([^)]';
comment on view policies_computed_per_row is 'a policy wraps its functions, (select attune.current_user_id()), and passes them no column';

create temp view policies_on_raw_claims as
select name as offender from our_policies where expression ~ '\m(current_setting|auth\.jwt|auth\.role)\(';
comment on view policies_on_raw_claims is 'a policy asks attune.current_user_id() or auth.uid(), never the raw claims';

create temp view views_past_rls as
select name as offender
from our_relations
where is_exposed
  and (relkind = 'm' or relkind = 'v' and not options && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1']);
comment on view views_past_rls is 'an exposed view runs with the rights of who asks (security_invoker)';

-- Grants

create temp view tables_without_grants as
select t.name as offender
from our_tables as t
where t.is_exposed
  and not t.relispartition
  and not exists (
    select from our_grants as g
    join our_request_roles as r on r.oid = g.grantee
    where g.name = t.name or starts_with(g.name, t.name || '.')
  );
comment on view tables_without_grants is 'every exposed table has a grant list';

create temp view functions_without_grants as
select f.name as offender
from our_functions as f
where (f.is_exposed or f.is_hidden)
  and not exists (select from aclexplode(f.acl) as x join our_request_roles as r on r.oid = x.grantee);
comment on view functions_without_grants is 'every function of attune and attune_hidden is granted to somebody';

create temp view functions_for_public as
select f.name as offender
from our_functions as f
where exists (select from aclexplode(f.acl) as x where x.grantee = 0);
comment on view functions_for_public is 'no function may be executed by PUBLIC';

create temp view relations_for_public as
select format('%s: %s', name, lower(privilege_type)) as offender from our_grants where grantee = 0;
comment on view relations_for_public is 'nothing is granted to PUBLIC';

create temp view private_grants as
with role as (select rolname from our_request_roles where oid <> 0)
select format('schema attune_private to %s', rolname) as offender
from role
where has_schema_privilege(rolname, 'attune_private', 'usage, create')
union all
select format('%s to %s', r.name, rolname)
from role, our_relations as r
where not r.is_exposed
  and case r.relkind
    when 'S' then has_sequence_privilege(rolname, r.oid, 'usage, select, update')
    when 'c' then false
    else has_table_privilege(rolname, r.oid, 'select, insert, update, delete, truncate, references, trigger')
      or has_any_column_privilege(rolname, r.oid, 'select, insert, update, references')
  end
union all
select format('%s to %s', f.name, rolname)
from role, our_functions as f
where starts_with(f.name, 'attune_private.') and has_function_privilege(rolname, f.oid, 'execute');
comment on view private_grants is 'nothing of attune_private is granted to a role of requests';

create temp view writes_by_anon as
select r.name as offender
from our_relations as r
where case
  when r.relkind = 'S' then has_sequence_privilege('anon', r.oid, 'usage, update')
  when r.relkind = 'c' then false
  else has_table_privilege('anon', r.oid, 'insert, update, delete') or has_any_column_privilege('anon', r.oid, 'insert, update')
end;
comment on view writes_by_anon is 'anon writes nothing';

create temp view writes_of_whole_rows as
select format('%s: %s', name, lower(privilege_type)) as offender
from our_grants
where grantee = to_regrole('authenticated') and not is_column and privilege_type in ('INSERT', 'UPDATE');
comment on view writes_of_whole_rows is 'insert and update grants of authenticated list their columns';

create temp view rights_users_may_raise as
select format('%s: %s', c.name, lower(p.privilege)) as offender
from our_columns as c
cross join unnest(array['INSERT', 'UPDATE']) as p (privilege)
where c.table_oid = 'attune.users'::regclass
  and c.short_name in ('is_admin', 'plan', 'email')
  and has_column_privilege('authenticated', c.table_oid, c.attnum, p.privilege);
comment on view rights_users_may_raise is 'nobody sets their own is_admin, plan or email';

create temp view needless_grants as
select format('%s: %s to %s', g.name, lower(g.privilege_type), r.rolname) as offender
from our_grants as g
join our_request_roles as r on r.oid = g.grantee
where g.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
union all
select format('schema %s: create to %s', n.nspname, r.rolname)
from pg_namespace as n
cross join lateral aclexplode(n.nspacl) as x
join our_request_roles as r on r.oid = x.grantee
where n.nspname in ('attune', 'attune_hidden', 'attune_private', 'auth') and x.privilege_type = 'CREATE';
comment on view needless_grants is 'no role of requests may create, truncate, reference, maintain or add triggers';

-- Functions and triggers

create temp view functions_without_search_path as
select name as offender
from our_functions
where (prosecdef or not has_standard_body) and not may_commit and not settings @> array['search_path=pg_catalog, pg_temp'];
comment on view functions_without_search_path is 'a function searches pg_catalog first and pg_temp last, unless it is an invoker''s with a standard body, or an invoker''s procedure';

create temp view triggers_misnamed as
select name as offender
from our_triggers
where short_name !~ '^_[0-9]{3}_[a-z][a-z0-9_]*$'
   or function_schema <> 'attune_private'
   or starts_with(
     substring(short_name from '^_[0-9]{3}_(.*)$'),
     substring(function_name from format('^tg(?:_%s)?__(.*)$', table_name))
   ) is not true;
comment on view triggers_misnamed is 'a trigger is named _NNN_<task> and calls attune_private.tg_<table>__<task> or tg__<task>';

create temp view triggers_that_notify as
select name as offender from our_functions where is_trigger and prosrc ~* '\m(pg_notify\s*\(|notify\s+[a-z_"])';
comment on view triggers_that_notify is 'no trigger notifies: the audit log is the outbox';

-- Tables, keys and columns

create temp view tables_without_primary_key as
select t.name as offender
from our_tables as t
where not exists (select from pg_constraint as k where k.conrelid = t.oid and k.contype = 'p');
comment on view tables_without_primary_key is 'every table has a primary key';

create temp view foreign_keys_without_action as
select name as offender from our_foreign_keys where confdeltype = 'a';
comment on view foreign_keys_without_action is 'every foreign key says what happens on delete';

create temp view foreign_keys_without_index as
select k.name as offender
from our_foreign_keys as k
where not exists (
  select from our_indexes as i
  where i.table_oid = k.table_oid
    and i.keys[1:cardinality(k.conkey)] <@ k.conkey
    and i.keys[1:cardinality(k.conkey)] @> k.conkey
    and (i.predicate is null or i.predicate ~ '^\(\w+ IS NOT NULL\)$')
);
comment on view foreign_keys_without_index is 'every foreign key has an index that serves it';

create temp view second_references_to_users as
select k.name as offender
from our_foreign_keys as k
where k.confrelid = 'attune.users'::regclass
  and not exists (
    select from pg_attribute as a
    where a.attrelid = k.table_oid and a.attnum = k.conkey[1] and a.attname = 'user_id'
  );
comment on view second_references_to_users is 'only user_id references users; updated_by and its like are plain uuids';

create temp view indexes_redundant as
select a.name as offender
from our_indexes as a
join our_indexes as b on b.table_oid = a.table_oid and b.oid <> a.oid and b.shape = a.shape
where not a.includes
  and case
    when a.ordered_keys = b.ordered_keys then a.indisunique <= b.indisunique and (a.indisunique < b.indisunique or a.oid > b.oid)
    else not a.indisunique and a.ordered_keys = b.ordered_keys[1:cardinality(a.ordered_keys)]
  end;
comment on view indexes_redundant is 'no index is the same as another, or the beginning of one';

create temp view user_keys_not_led_by_user as
select i.name as offender
from our_indexes as i
join our_tables as t on t.oid = i.table_oid
join pg_attribute as u on u.attrelid = t.oid and u.attname = 'user_id' and not u.attisdropped
where i.indisunique
  and i.keys[1] <> u.attnum
  and exists (
    select from our_foreign_keys as k
    where k.table_oid = t.oid and k.confrelid = 'attune.users'::regclass and k.conkey[1] = u.attnum
  )
  -- Directories: they find the user by what somebody shows.
  and t.name not in ('attune.user_emails', 'attune.user_identities');
comment on view user_keys_not_led_by_user is 'a table owned by a user has user_id first in its primary key and every unique constraint';

create temp view timestamps_without_zone as
select name as offender from our_columns where base_type in ('timestamp'::regtype, 'timestamp[]'::regtype)
union all
select name from our_functions where types && array['timestamp'::regtype, 'timestamp[]'::regtype]::oid[];
comment on view timestamps_without_zone is 'a point in time is a timestamptz';

create temp view texts_without_limit as
select c.name as offender
from our_columns as c
where c.is_table
  and c.is_exposed
  and not c.is_generated
  and c.base_type in ('text'::regtype, 'text[]'::regtype, 'varchar'::regtype)
  and c.typmod < 0
  and not exists (
    select from our_column_checks as k
    where k.table_oid = c.table_oid
      and k.attnum = c.attnum
      -- A length, a list of values, one value, or a pattern from end to end that repeats nothing without limit.
      and k.definition ~ any (array[
        '\m(char_length|length|octet_length|cardinality|array_length)\(',
        '= ANY \(',
        '^CHECK \(\(\w+ = ''[^'']*''::text\)\)$',
        '''\^([^*+{]|\{\d+(,\d+)?\})*\$'''
      ])
  )
  and not exists (select from our_foreign_keys as k where k.table_oid = c.table_oid and c.attnum = any (k.conkey));
comment on view texts_without_limit is 'text has a length check, a list of values, or a foreign key';

create temp view json_without_limit as
select c.name as offender
from our_columns as c
where c.is_table
  and not c.is_generated
  and c.base_type in ('json'::regtype, 'jsonb'::regtype)
  and not exists (
    select from our_column_checks as k
    where k.table_oid = c.table_oid and k.attnum = c.attnum and k.definition ~ '\m(pg_column_size|octet_length|length)\('
  );
comment on view json_without_limit is 'JSON has a size check';

create temp view json_without_depth as
select c.name as offender
from our_columns as c
where c.is_table
  and not c.is_generated
  and c.base_type in ('json'::regtype, 'jsonb'::regtype)
  and exists (
    select from our_request_roles as r
    where r.oid <> 0 and has_column_privilege(r.oid, c.table_oid, c.attnum, 'insert, update')
  )
  and not exists (
    select from pg_trigger as g
    join our_functions as f on f.oid = g.tgfoid
    where g.tgrelid = c.table_oid and f.prosrc ~ format('check_depth\([^;]*\m%s\M', c.short_name)
  );
comment on view json_without_depth is 'JSON that a request writes has a trigger that checks how deep it is';

-- Schemas

create temp view unexposed_in_attune as
select f.name as offender
from our_functions as f
-- GraphQL has no call for what commits.
where f.is_exposed and not f.may_commit and (f.is_trigger or obj_description(f.oid, 'pg_proc') ~ '@(behavior -\*|omit)')
union all
select r.name
from our_relations as r
where r.is_exposed and r.relkind = 'S' and not exists (
  select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = r.oid and d.deptype in ('a', 'i')
);
comment on view unexposed_in_attune is 'everything in attune is the API: what nobody should call is in attune_hidden';

create temp view relations_in_hidden as
select name as offender from our_relations where starts_with(name, 'attune_hidden.');
comment on view relations_in_hidden is 'attune_hidden holds functions only';

-- Documentation

create temp view undocumented as
with object (name, comment) as (
  select name, obj_description(oid, 'pg_class') from our_relations where is_exposed and relkind not in ('S', 'c')
  union all
  select name, col_description(table_oid, attnum) from our_columns where is_exposed
  union all
  select name, obj_description(oid, 'pg_proc') from our_functions
  union all
  select name, obj_description(oid, 'pg_type') from our_types
)
-- A line that begins with @ is for PostGraphile, not for people.
select name as offender from object where regexp_replace(comment, '^@.*$', '', 'gn') ~ '\S' is not true;
comment on view undocumented is 'everything exposed, and every function, has a comment: it is the documentation';

create temp view enum_values_undescribed as
select coalesce(labels.name, described.name) as offender
from (
  select format('%s: %s', t.name, e.enumlabel) as name
  from our_types as t
  join pg_enum as e on e.enumtypid = t.oid
) as labels
full join (
  select format('%s: %s', t.name, v[1]) as name
  from our_types as t
  cross join lateral regexp_matches(obj_description(t.oid, 'pg_type'), '^@value (\S+) \S', 'gn') as v
) as described on described.name = labels.name
where labels.name is null or described.name is null;
comment on view enum_values_undescribed is 'the comment of an exposed enum describes each of its values, @value <label> <what it means>, and no other';

-- One offender, or more, for each

create temp table planted (rule text, offender text);
insert into planted (rule, offender) values
  ('tables_without_rls', 'attune.planted'),
  ('tables_without_rls', 'attune_private.planted'),
  ('tables_without_policy', 'attune.planted_shut'),
  ('policies_misnamed', 'attune.planted: wrong'),
  ('policies_misnamed', 'attune.planted: planted_update_one'),
  ('policies_to_public', 'attune.planted: wrong'),
  ('policies_doubled', 'attune.planted: select to authenticated'),
  ('policies_computed_per_row', 'attune.planted: wrong'),
  ('policies_computed_per_row', 'attune.planted: planted_update_one'),
  ('policies_computed_per_row', 'attune.planted: planted_insert_nested'),
  ('policies_on_raw_claims', 'attune.planted: planted_select_two'),
  ('views_past_rls', 'attune.planted_view'),
  ('tables_without_grants', 'attune.planted_shut'),
  ('functions_without_grants', 'attune.planted()'),
  ('functions_without_grants', 'attune_hidden.planted()'),
  ('functions_for_public', 'attune.planted(uuid)'),
  ('relations_for_public', 'attune.planted: select'),
  ('private_grants', 'schema attune_private to service_role'),
  ('private_grants', 'attune_private.planted to authenticated'),
  ('private_grants', 'attune_private.planted_numbers to authenticated'),
  ('private_grants', 'attune_private.planted() to service_role'),
  ('writes_by_anon', 'attune.planted'),
  ('writes_of_whole_rows', 'attune.planted: insert'),
  ('writes_of_whole_rows', 'attune.planted: update'),
  ('rights_users_may_raise', 'attune.users.is_admin: update'),
  ('needless_grants', 'attune.planted: truncate to service_role'),
  ('needless_grants', 'schema attune: create to authenticated'),
  ('functions_without_search_path', 'attune.planted()'),
  ('functions_without_search_path', 'attune.planted(uuid)'),
  ('triggers_misnamed', 'attune.planted: planted'),
  ('triggers_misnamed', 'attune.planted: _100_other'),
  ('triggers_that_notify', 'attune_private.planted()'),
  ('tables_without_primary_key', 'attune.planted'),
  ('foreign_keys_without_action', 'attune.planted: planted_user_id_fkey'),
  ('foreign_keys_without_index', 'attune.planted: planted_user_id_fkey'),
  ('second_references_to_users', 'attune.planted: planted_updated_by_fkey'),
  ('indexes_redundant', 'attune.planted_twice'),
  ('indexes_redundant', 'attune.planted_beginning'),
  ('user_keys_not_led_by_user', 'attune.planted_note'),
  ('timestamps_without_zone', 'attune.planted.happened_at'),
  ('timestamps_without_zone', 'attune.planted()'),
  ('texts_without_limit', 'attune.planted.note'),
  ('json_without_limit', 'attune.planted.document'),
  ('json_without_depth', 'attune.planted.document'),
  ('unexposed_in_attune', 'attune.planted(uuid)'),
  ('unexposed_in_attune', 'attune.planted_counter'),
  ('relations_in_hidden', 'attune_hidden.planted'),
  ('enum_values_undescribed', 'attune.planted_kind: one'),
  ('enum_values_undescribed', 'attune.planted_kind: two'),
  ('undocumented', 'attune.planted'),
  ('undocumented', 'attune.planted.note'),
  ('undocumented', 'attune.planted_view.note'),
  ('undocumented', 'attune.planted()'),
  ('undocumented', 'attune_private.planted()'),
  ('undocumented', 'attune_hidden.planted()'),
  ('undocumented', 'attune.planted(uuid)'),
  ('undocumented', 'attune.planted_kind'),
  ('undocumented', 'attune.planted_domain'),
  ('undocumented', 'attune.planted_pair'),
  ('undocumented', 'attune.planted_pair.one');

create temp table checks as
select c.relname as rule, obj_description(c.oid, 'pg_class') as says
from pg_class as c
where c.relnamespace = pg_my_temp_schema() and c.relkind = 'v' and not starts_with(c.relname, 'our_');

select plan(1 + 2 * (select count(*) from checks)::integer);

select set_eq('select rule from checks', 'select rule from planted', 'every check is shown an offender');

savepoint clean;

create table attune.planted (
  user_id uuid references attune.users (id),
  updated_by uuid references attune.users (id) on delete set null,
  happened_at timestamp,
  note text,
  document jsonb
);
create unique index planted_note on attune.planted (note);
create index planted_long on attune.planted (updated_by, note);
create index planted_twice on attune.planted (note);
create index planted_beginning on attune.planted (updated_by);
create table attune.planted_shut (id bigint primary key);
alter table attune.planted_shut enable row level security;
create table attune_private.planted (id bigint primary key);
create sequence attune_private.planted_numbers;
create sequence attune.planted_counter;
create table attune_hidden.planted (id bigint primary key);
create function attune_hidden.planted() returns boolean language sql begin atomic select true; end;
revoke all on function attune_hidden.planted() from public;
create view attune.planted_view as select note from attune.planted;
create type attune.planted_kind as enum ('one');
comment on type attune.planted_kind is '@value two Is none of its values.';
create domain attune.planted_domain as text;
create type attune.planted_pair as (one text, two text);

create function attune.planted() returns timestamp language sql as 'select localtimestamp';
revoke all on function attune.planted() from public, anon, authenticated, service_role;
create function attune.planted(whose uuid) returns boolean language sql stable security definer
  begin atomic select whose is null; end;
comment on function attune.planted(uuid) is '@behavior -*';
grant execute on function attune.planted(uuid) to public;
create function attune_private.planted() returns trigger language plpgsql set search_path = ''
  as $$ begin perform pg_catalog.pg_notify('planted', ''); return null; end $$;
create trigger planted after insert on attune.planted execute function attune_private.planted();
create trigger _100_other after insert on attune.planted execute function attune_private.planted();

create policy wrong on attune.planted for select using (user_id = attune.current_user_id());
create policy planted_select_one on attune.planted for select to authenticated using (true);
create policy planted_select_two on attune.planted for select to authenticated using (note = (select auth.jwt() ->> 'sub'));
create policy planted_update_one on attune.planted to service_role using (attune.planted(user_id));
create policy planted_insert_nested on attune.planted for insert to service_role
  with check (exists (select from attune.users as u where u.id = attune.current_user_id()));

grant insert, update, select on attune.planted to public, anon, authenticated;
grant truncate on attune.planted to service_role;
grant create on schema attune to authenticated;
grant update (is_admin) on attune.users to authenticated;
grant usage on schema attune_private to service_role;
grant select (id) on attune_private.planted to authenticated;
grant usage on attune_private.planted_numbers to authenticated;
grant execute on function attune_private.planted() to service_role;

select set_has(
  format('select offender from pg_temp.%I', rule),
  format('select offender from planted where rule = %L', rule),
  'found when broken: ' || says
)
from checks
order by rule;

rollback to savepoint clean;

-- The rules

select is_empty(format('select offender from pg_temp.%I order by 1', rule), says)
from checks
order by rule;

select * from finish();
rollback;

-- The secrets of old tables, adopted as credentials.
begin;
select no_plan();

select tests.create_user('ada@example.com');
select tests.create_user('bob@example.com');
select set_config('attune.master_key', repeat('0b', 32), true);

-- pgcrypto's functions, wherever it is.
select set_config(
  'search_path',
  current_setting('search_path') || ', ' || e.extnamespace::regnamespace,
  true
)
from pg_extension as e
where e.extname = 'pgcrypto';

create table public.old_keys (
  user_id text, key text, value text, encrypted_value text, is_encrypted boolean
);
insert into public.old_keys
select case u.name when 'nobody' then gen_random_uuid()::text else tests.user_id(u.name || '@example.com')::text end,
  u.key, u.value, u.encrypted_value, u.encrypted_value is not null
from (
  values
    ('ada', 'OPENAI_API_KEY', null, pgp_sym_encrypt('sk-old-ada-0123456789', 'old passphrase')::text),
    ('ada', 'GITHUB_TOKEN', null, armor(pgp_sym_encrypt('the token of ada', 'old passphrase'))),
    ('ada', 'SLACK_TOKEN', null, encode(pgp_sym_encrypt_bytea('the bot of ada', 'old passphrase'), 'base64')),
    ('ada', 'SMTP_PASSWORD', 'swordfish', null),
    ('ada', 'STRIPE_SECRET_KEY', 'abc123', null),
    ('ada', 'THEME', 'dark', null),
    ('bob', 'OPENAI_API_KEY', null, pgp_sym_encrypt('sk-old-bob', 'another passphrase')::text),
    ('bob', 'GITHUB_TOKEN', null, 'gAAAAABmFernet'),
    ('bob', 'SLACK_TOKEN', '', null),
    ('bob', 'SMTP_PASSWORD', 'of bob', null),
    ('nobody', 'OPENAI_API_KEY', 'sk-of-nobody', null)
) as u (name, key, value, encrypted_value);

create view public.providers as
select '{"OPENAI_API_KEY": "openai", "GITHUB_TOKEN": "github", "SLACK_TOKEN": "slack", "SMTP_PASSWORD": "smtp"}'::jsonb as names;

create function public.adopted()
returns table (who text, key text, provider text, outcome text, problem text, is_marked boolean)
language sql
as $$
  select coalesce(split_part(u.email, '@', 1), 'nobody'), a.key, a.provider, a.outcome::text, a.problem, a.is_marked
  from public.providers as p
  cross join attune.adopt_legacy_credentials('public.old_keys', p.names, user_column => 'user_id') as a
  left join attune.users as u on u.id::text = a.user_id
  order by a.key, 1;
$$;

select tests.authenticate_as('ada@example.com');
select throws_ok(
  $$ select attune.adopt_legacy_credentials('public.old_keys', '{}') $$,
  '42501', 'permission denied for function adopt_legacy_credentials', 'a user adopts nothing'
);
select tests.authenticate_as_service_role();
select throws_ok(
  $$ select attune.adopt_legacy_credentials('public.old_keys', '{}') $$,
  '42501', 'permission denied for table old_keys', 'a trusted server only with rights on the table'
);
select tests.reset_role();

select results_eq(
  $$ select a.who, a.key, a.problem from public.adopted() as a where a.outcome = 'kept_aside' $$,
  $$
    values
      ('ada', 'GITHUB_TOKEN', 'there is no attune.legacy_passphrase to read it with'),
      ('bob', 'GITHUB_TOKEN', 'there is no attune.legacy_passphrase to read it with'),
      ('ada', 'OPENAI_API_KEY', 'there is no attune.legacy_passphrase to read it with'),
      ('bob', 'OPENAI_API_KEY', 'there is no attune.legacy_passphrase to read it with'),
      ('nobody', 'OPENAI_API_KEY', 'there is no such user'),
      ('ada', 'SLACK_TOKEN', 'there is no attune.legacy_passphrase to read it with'),
      ('bob', 'SLACK_TOKEN', 'it has no value'),
      ('ada', 'STRIPE_SECRET_KEY', 'no provider is named for its key')
  $$,
  'without the passphrase, what is encrypted stays aside'
);
select set_config('attune.legacy_passphrase', 'old passphrase', true);
select results_eq(
  'select * from public.adopted()',
  $$
    values
      ('ada', 'GITHUB_TOKEN', 'github', 'adopted', null, true),
      ('bob', 'GITHUB_TOKEN', 'github', 'kept_aside', 'it does not decrypt with this passphrase', false),
      ('ada', 'OPENAI_API_KEY', 'openai', 'adopted', null, true),
      ('bob', 'OPENAI_API_KEY', 'openai', 'kept_aside', 'it does not decrypt with this passphrase', false),
      ('nobody', 'OPENAI_API_KEY', 'openai', 'kept_aside', 'there is no such user', false),
      ('ada', 'SLACK_TOKEN', 'slack', 'adopted', null, true),
      ('bob', 'SLACK_TOKEN', 'slack', 'kept_aside', 'it has no value', false),
      ('ada', 'SMTP_PASSWORD', 'smtp', 'kept', null, true),
      ('bob', 'SMTP_PASSWORD', 'smtp', 'kept', null, true),
      ('ada', 'STRIPE_SECRET_KEY', null, 'kept_aside', 'no provider is named for its key', false)
  $$,
  'with it, it is adopted, but for what it does not open; what was adopted before stays'
);
select is((select count(*) from public.old_keys), 11::bigint, 'no old row is gone');
select results_eq(
  $$ select k.key from public.old_keys as k where k.deprecated_at is null order by 1 $$,
  $$ values ('GITHUB_TOKEN'), ('OPENAI_API_KEY'), ('OPENAI_API_KEY'), ('SLACK_TOKEN'), ('STRIPE_SECRET_KEY'), ('THEME') $$,
  'and only what was adopted is marked'
);

-- What the old application alone can read, it hands over itself.
select lives_ok(
  $$ select attune.set_user_credential(tests.user_id('bob@example.com'), 'github', 'the token of bob') $$,
  'the old application can hand over what only it can read'
);
select results_eq(
  $$ select a.outcome, a.is_marked from public.adopted() as a where a.who = 'bob' and a.key = 'GITHUB_TOKEN' $$,
  $$ values ('kept', true) $$,
  'which marks its row in the next run'
);
select is_empty($$ select from public.adopted() as a where a.outcome = 'adopted' $$, 'a second time adopts nothing');

select tests.authenticate_as_service_role();
select results_eq(
  $$
    select split_part(u.email, '@', 1), c.provider, c.label,
      (attune.resolve_credential(c.user_id, c.provider)).secret
    from attune.credentials as c
    join attune.users as u on u.id = c.user_id
    order by 1, 2
  $$,
  $$
    values
      ('ada', 'github', 'GITHUB_TOKEN', 'the token of ada'), ('ada', 'openai', 'OPENAI_API_KEY', 'sk-old-ada-0123456789'),
      ('ada', 'slack', 'SLACK_TOKEN', 'the bot of ada'), ('ada', 'smtp', 'SMTP_PASSWORD', 'swordfish'),
      ('bob', 'github', '', 'the token of bob'), ('bob', 'smtp', 'SMTP_PASSWORD', 'of bob')
  $$,
  'the secrets are those that were there, once each'
);
select tests.reset_role();

-- Of several secrets for one user and provider, the others are not marked

insert into public.old_keys (user_id, key, value)
values
  (tests.user_id('ada@example.com')::text, 'SMTP_PASSWORD', 'swordfish '),
  (upper(tests.user_id('ada@example.com')::text), 'SMTP_PASSWORD', 'another fish');
create temp view of_ada as
select a.outcome::text, a.problem, a.is_marked from public.adopted() as a where a.key = 'SMTP_PASSWORD' and a.who <> 'bob';
select results_eq(
  'select o.* from of_ada as o order by o.outcome, o.is_marked',
  $$
    values
      ('kept', null, true), ('kept', null, true),
      ('kept_aside', 'another secret is stored for its provider', false)
  $$,
  'another secret than the one that is stored is kept aside, the same one is kept'
);
select is(
  (select count(*) from public.old_keys as k where k.key = 'SMTP_PASSWORD' and k.deprecated_at is null), 1::bigint,
  'and its row is not marked'
);
select attune.set_user_credential(tests.user_id('ada@example.com'), 'smtp', 'a newer fish');
select results_eq(
  'select o.outcome, count(*) from of_ada as o group by o.outcome order by 1',
  $$ values ('kept', 2::bigint), ('kept_aside', 1) $$,
  'what is marked stays so when the user sets another'
);

-- Everybody's, in columns of other names and types, with AES

create table public.vault (name text, content bytea);
insert into public.vault
values
  ('anthropic', encrypt('sk-old-shared', 'a key of the app', 'aes')),
  ('mistral', encrypt('another', 'another key here', 'aes')),
  ('nowhere', encrypt('of no provider', 'a key of the app', 'aes'));
select set_config('attune.legacy_passphrase', 'a key of the app', true);
grant select on public.vault to service_role;
create function public.adopted_vault()
returns setof attune.adopted_credential
language sql
as $$
  select a.*
  from attune.adopt_legacy_credentials(
    'public.vault', '{"anthropic": "anthropic", "mistral": "mistral", "nowhere": "nowhere"}', 'aes', key_column => 'name',
    value_column => 'content', encrypted_value_column => 'content', deprecated_column => null
  ) as a
  order by a.key;
$$;
select tests.authenticate_as_service_role();
select results_eq(
  $$ select a.key, a.outcome::text, a.problem, a.is_marked from public.adopted_vault() as a $$,
  $$
    values
      ('anthropic', 'adopted', null, false),
      ('mistral', 'kept_aside', 'it does not decrypt with this passphrase', false),
      ('nowhere', 'kept_aside', 'There is no provider of that name', false)
  $$,
  'without a column for users they are shared; a trusted server that may read the table adopts it'
);
select tests.reset_role();
select is(
  (attune.resolve_credential(tests.user_id('bob@example.com'), 'anthropic')).secret, 'sk-old-shared', 'and used by all'
);
select is(
  (select a.outcome from public.adopted_vault() as a where a.key = 'anthropic'), 'kept', 'where nothing is marked, a credential stays'
);

-- All or nothing of what is no fault of a row

delete from attune.shared_credentials;
select set_config('attune.master_key', '', true);
select tests.throws_reason(
  'select public.adopted_vault()', 'PT409', 'master_key_missing', 'without a master key nothing is adopted'
);
select tests.throws_reason(
  $$ select attune.adopt_legacy_credentials('public.vault', '{}', key_column => 'nothing') $$,
  'PT422', 'invalid_source', 'columns that are named must be there'
);

-- What pgcrypto makes, in every way to write it, comes out again; a changed byte and a wrong passphrase do not.

select is_empty(
  $$
    select
    from (values ('a'), ('a longer secret, with ä and 漢字'), (E'{\n  "private_key": "x"\n}'), (repeat('long', 1000))) as s (secret)
    cross join lateral (
      values
        ('pgp'::attune.legacy_encryption, pgp_sym_encrypt(s.secret, 'right')),
        ('pgp', pgp_sym_encrypt(s.secret, 'right', 'cipher-algo=aes256, compress-algo=1')),
        ('pgp', pgp_sym_encrypt_bytea(convert_to(s.secret, 'UTF8'), 'right')),
        ('aes', encrypt(convert_to(s.secret, 'UTF8'), 'right', 'aes'))
    ) as e (encryption, data)
    cross join lateral (
      values
        (e.data::text), (encode(e.data, 'hex')), (upper(encode(e.data, 'hex'))), (encode(e.data, 'base64')),
        (case e.encryption when 'pgp' then armor(e.data) else encode(e.data, 'hex') end)
    ) as w (written)
    where attune_hidden.decrypt_legacy(w.written, e.encryption, 'right') is distinct from s.secret
      or attune_hidden.decrypt_legacy(w.written, e.encryption, 'wrong') is not null
      or attune_hidden.decrypt_legacy(w.written, e.encryption, null) is not null
  $$,
  'whatever is encrypted, and however it is written, is read with its passphrase alone'
);

select * from finish();
rollback;

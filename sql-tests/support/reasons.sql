-- Refusals by their contract: the SQLSTATE, the reason in DETAIL, and a HINT. Messages are for people and may be reworded.
create function tests.throws_reason(sql text, sqlstate text, reason text, title text)
returns text
language plpgsql volatile
as $$
declare
  got_sqlstate text := 'no error';
  got_reason text;
  got_hint text;
  got_message text;
begin
  begin
    execute throws_reason.sql;
  exception when others then
    get stacked diagnostics
      got_sqlstate = returned_sqlstate,
      got_reason = pg_exception_detail,
      got_hint = pg_exception_hint,
      got_message = message_text;
  end;

  if got_sqlstate = throws_reason.sqlstate and got_reason = throws_reason.reason and got_hint <> '' then
    return pgtap.ok(true, throws_reason.title);
  end if;

  return pgtap.ok(false, throws_reason.title) || pg_catalog.chr(10) || pgtap.diag(pg_catalog.format(
    E'wanted: %s %s, with a hint\n   got: %s %s, hint: %s, message: %s',
    throws_reason.sqlstate, throws_reason.reason, got_sqlstate, got_reason, got_hint, got_message
  ));
end;
$$;
comment on function tests.throws_reason(text, text, text, text) is
  'Passes when the statement raises this SQLSTATE with this DETAIL, and a HINT.';
grant execute on function tests.throws_reason(text, text, text, text) to public;

create function tests.message_of(sql text)
returns text
language plpgsql volatile
as $$
begin
  execute message_of.sql;
  return null;
exception when others then
  return sqlerrm;
end;
$$;
comment on function tests.message_of(text) is 'The message that the statement raises, which is undone; NULL when it raises none.';
grant execute on function tests.message_of(text) to public;

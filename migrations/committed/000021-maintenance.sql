--! Previous: sha1:c68adc3708ad5519550fafe22786b672a4ea0043
--! Hash: sha1:28ec4598d046832578c94a6b138c01cb6dc6f853
--! Message: maintenance

-- What is done again and again, by hand or by a schedule, and the record of it.

%% What is refused when a binding is made, and with which words.
-module(h2_binding_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("rabbit_common/include/rabbit.hrl").

refused_test_() ->
    [{Words, fun() -> refused(Kind, Args, Words) end} || {Kind, Args, Words} <- [
        {exchange, [{<<"weight">>, long, -1}], "from 0 to 4294967295, got long -1"},
        {exchange, [{<<"weight">>, longstr, <<"10">>}], "weight must be an integer"},
        {exchange, [{<<"weight">>, long, 4294967296}], "got long 4294967296"},
        {queue, [{<<"instance">>, longstr, <<"i">>}], "a queue is bound without it"},
        {exchange, [{<<"instance">>, longstr, <<>>}], "text of 1 to 255 bytes, got 0 bytes"},
        {exchange, [{<<"version">>, long, 1}], "version must be text"},
        {exchange, [{<<"zone">>, longstr, binary:copy(<<"z">>, 1025)}], "got 1025 bytes"},
        {exchange, [{<<"region">>, longstr, <<255, 254>>}], "must be UTF-8"},
        {exchange, [{<<"match.">>, longstr, <<"x">>}], "unknown argument"},
        {exchange, [{<<"wieght">>, long, 1}], "there is weight, version, region"},
        {exchange, [{<<"match.h2-overlay">>, bool, true}], "match.h2-overlay must be text"}]].

refused(Kind, Args, Words) ->
    {error, {binding_invalid, Format, Values}} = h2_binding:validate(#resource{kind = Kind}, Args),
    Text = lists:flatten(io_lib:format(Format, Values)),
    ?assertNotEqual({Text, nomatch}, {Text, string:find(Text, Words)}).

accepted_test() ->
    ?assertEqual(ok, h2_binding:validate(#resource{kind = queue}, [])),
    ?assertEqual(ok, h2_binding:validate(#resource{kind = exchange}, [
        {<<"instance">>, longstr, <<"core.eta-1">>}, {<<"weight">>, signedint, 100}, {<<"version">>, longstr, <<"1">>},
        {<<"region">>, longstr, <<"eu">>}, {<<"zone">>, longstr, <<"a">>}, {<<"salt">>, longstr, <<>>},
        {<<"left">>, longstr, <<"2026-11-24T00:00:00Z">>}, {<<"match.h2-overlay">>, longstr, <<"alice">>}])).

%% rabbit_exchange_type_h2 reads this field of the broker's record by its place.
place_of_pid_test() ->
    ?assertEqual(pid, lists:nth(7 - 1, amqqueue:fields(amqqueue_v2))).

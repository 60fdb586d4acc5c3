%% The exchange type x-h2: a message goes to exactly one of the bindings of its routing
%% key, which is the service, by the rule in h2_rule. The exchange has no state of its own:
%% what it knows is in the broker's own tables, which every node of a cluster has.
-module(rabbit_exchange_type_h2).

-behaviour(rabbit_exchange_type).

-include_lib("rabbit_common/include/rabbit.hrl").
-include_lib("rabbit_common/include/rabbit_framing.hrl").
-include("h2_binding.hrl").

%% Where a queue's record has its process, in every version of the record.
-define(PID, 7).

-export([description/0, serialise_events/0, route/2]).
-export([validate/1, validate_binding/2, create/2, delete/3, policy_changed/2, add_binding/3, remove_bindings/3,
         assert_args_equivalence/2]).
-export([info/1, info/2]).

-rabbit_boot_step({?MODULE, [
    {description, "exchange type x-h2"},
    {mfa, {rabbit_registry, register, [exchange, <<"x-h2">>, ?MODULE]}},
    {cleanup, {rabbit_registry, unregister, [exchange, <<"x-h2">>]}},
    {requires, rabbit_registry},
    {enables, kernel_ready}
]}).

description() ->
    [{description, <<"Hansom's requests: one receiver, by service, headers, nearness and weight">>}].

serialise_events() -> false.

info(_) -> [].
info(_, _) -> [].

validate(_) -> ok.
create(_, _) -> ok.
delete(_, _, _) -> ok.
policy_changed(_, _) -> ok.
add_binding(_, _, _) -> ok.
remove_bindings(_, _, _) -> ok.
assert_args_equivalence(X, Args) -> rabbit_exchange:assert_args_equivalence(X, Args).

validate_binding(_, #binding{destination = Destination, args = Args}) ->
    h2_binding:validate(Destination, Args).

%% route must not crash: that would close the publisher's connection. It looks at the
%% first routing key only; a CC header makes no second receiver.
route(#exchange{name = Name}, #delivery{message = #basic_message{routing_keys = [Key | _], content = Content}}) ->
    case bindings(Name, Key) of
        [] -> [];
        Found -> pick([h2_binding:read(D, A) || {D, A} <- Found], message(Key, Content), unknown_service)
    end.

%% With source and key bound this is a range of an ordered table, however many bindings
%% there are beside. One select sees them all at one time; going from one to the next would be
%% faster and could miss both a binding that goes and the one that came for it.
bindings(Name, Key) ->
    Head = #route{binding = #binding{source = Name, key = Key, destination = '$1', args = '$2', _ = '_'}},
    ets:select(rabbit_route, [{Head, [], [{{'$1', '$2'}}]}]).

message(Key, Content) ->
    Headers = case rabbit_basic:extract_headers(Content) of
        undefined -> [];
        H -> H
    end,
    From = case lists:keyfind(<<"h2-zone">>, 1, Headers) of
        {_, longstr, Z} -> Z;
        _ -> <<>>
    end,
    Crossed = lists:keymember(<<"x-received-from">>, 1, Headers),
    #h2_message{service = Key, from = From, crossed = Crossed, headers = Headers}.

%% pick goes on with those that are there when the chosen one is not. All are looked at then, and only then: many may be gone at once.
pick(Bindings, Message, Least) ->
    case h2_rule:choose(Bindings, Message, Least, fun(N) -> rand:uniform(N) - 1 end) of
        {miss, _} -> [];
        {hit, Chosen} ->
            case there(Chosen) of
                [] -> pick([B || B <- Bindings, B =/= Chosen, there(B) =/= []], Message, gone);
                Destinations -> Destinations
            end
    end.

%% there returns the destination if somebody can take the message there now.
there(#h2_binding{destination = #resource{kind = queue} = Queue}) -> if_up(Queue);
there(#h2_binding{destination = Zone, instance = <<>>}) -> [Zone];
there(#h2_binding{destination = #resource{virtual_host = VHost} = Direct, instance = Instance}) ->
    Queue = rabbit_misc:r(VHost, queue, Instance),
    case ets:member(rabbit_route, #binding{source = Direct, key = Instance, destination = Queue, args = []}) of
        true -> if_up(Queue);
        false -> []
    end.

%% if_up passes over a queue whose node went away, before the broker has cleaned up after it: on the
%% last node of a cluster too, so nodes() being empty says nothing. It reads one field instead of a
%% copy of the whole record.
if_up(Queue) ->
    try up(ets:lookup_element(rabbit_queue, Queue, ?PID)) of
        true -> [Queue];
        false -> []
    catch
        error:badarg -> []
    end.

up(Pid) when is_pid(Pid) -> connected(node(Pid));
up({_, _}) -> true; % a quorum queue: its members find a leader
up(_) -> false.

connected(Node) -> Node =:= node() orelse lists:member(Node, nodes()).

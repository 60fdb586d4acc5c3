%% What the rule needs to know of one binding. Weight 0 is never chosen.
-record(h2_binding, {
    destination,              % #resource{} of a queue or an exchange; opaque to the rule
    direct = true,            % reaches a queue of this broker; false: leaves for another zone
    instance = <<>>,          % the queue's name, where the destination is an exchange that knows it
    version = <<>>,
    region = <<>>,            % <<>>: not said
    zone = <<>>,
    salt = <<>>,
    weight = 1,               % 0..4294967295
    match = []                % [{Header, Value}]
}).

%% What the rule needs to know of one message.
-record(h2_message, {
    service = <<>>,           % the routing key
    from = <<>>,              % "region/zone" that it is routed from; <<>>: not said
    crossed = false,          % it came over a federation link
    headers = []              % AMQP table
}).
